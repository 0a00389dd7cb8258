// MartletPasses
