"""The web app: a page that parses, submits and shows; what it shows comes from the workflows."""
