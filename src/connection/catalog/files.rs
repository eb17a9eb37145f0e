// The names of the files in `data/`; a test compares them.
files! {
    "google",
}
