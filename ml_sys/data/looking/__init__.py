"""Open files of unknown form, and say what each of their columns holds."""
