"""The forms of a data set, one a module: what each is recognized by, and how its images and labels are found."""
