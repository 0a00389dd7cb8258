// MartletIR
