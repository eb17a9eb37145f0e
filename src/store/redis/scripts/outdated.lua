return outdated() and 1 or 0
