"""Pages as files to keep: PDF documents made of the same contexts as the pages."""
