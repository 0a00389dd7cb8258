// MartletLoops
