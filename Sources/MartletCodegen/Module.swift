// MartletCodegen
