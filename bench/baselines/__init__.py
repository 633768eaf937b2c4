"""What codeit is measured against: other projects' own code, loaded from a checkout that the user names."""
