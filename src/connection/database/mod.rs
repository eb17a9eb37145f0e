//! People whose passwords are kept here.
