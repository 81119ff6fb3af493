"""The HTML page: what is packed into it, and its own source (page.html, style.css, *.js)."""
