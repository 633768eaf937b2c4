"""What the command line calls, a module a verb. Nothing else imports these modules."""
