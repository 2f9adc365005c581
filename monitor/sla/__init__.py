"""What a contract says and how it is counted: values in, values out; no clock, no file, no socket, no event loop."""
