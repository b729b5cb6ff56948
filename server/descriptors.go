package server

// maxConnections returns how many clients may be there at the same time: as many as are set, else as many as leave a
// twentieth of the files that the process may have open, and 50 at least, for everything else. A client over it is
// refused and told so; without a limit the listener itself would run out of files, and nobody could connect or ask why.
func maxConnections(set, openFiles int) int {
	if set > 0 || openFiles == 0 {
		return set
	}
	return max(1, openFiles-max(50, openFiles/20))
}
