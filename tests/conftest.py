from hypothesis import settings

# A busy machine may take its time for any single example; each test has a deadline of its own as a whole.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
