"""One file per subcommand of `splatcam`: arguments in, exit status out. The work is done in the rooms below."""
