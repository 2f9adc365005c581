"""The daemon and its commands: schedule, store, judge, expose, prove."""
