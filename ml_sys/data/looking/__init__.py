"""Open files of unknown form, and find out what each of their columns holds."""
