"""The statement of a month: what one reads, typeset; its pages say nothing that the evidence inside does not prove."""
