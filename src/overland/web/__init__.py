"""The browser app and the REST service: parse, submit, show. Nothing is computed here that a workflow computes."""
