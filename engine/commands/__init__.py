"""What the command line calls, a module a verb; `options` declares the verbs. Nothing else imports these modules."""
