module servicelayer/tools/guest

go 1.26.0
