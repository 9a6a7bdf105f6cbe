"""``duet kiosk``: a show that looks after itself."""
