"""What the surrogate is taught: labels from the target, tasks, templates, records, mixtures."""
