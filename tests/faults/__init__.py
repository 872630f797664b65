"""The fault suite: stopped anywhere, readers see the old or the new, and a repetition makes what nobody disturbed."""
