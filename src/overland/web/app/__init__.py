"""The web app: a page that parses, submits and shows; the workflows give it everything that it shows."""
