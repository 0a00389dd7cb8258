// MartletJIT
