// MartletOps
