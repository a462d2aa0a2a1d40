"""A page on this machine: a picture or a short video in, joints out; nothing is kept and nothing leaves."""
