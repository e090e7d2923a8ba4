"""Discord without Discord: a local server that speaks REST v10, gateway v10 and the CDN on one loopback port."""
