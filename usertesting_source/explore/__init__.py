"""What people read: search, exports, what an assistant asks; all of it by way of `reading.Data`."""
