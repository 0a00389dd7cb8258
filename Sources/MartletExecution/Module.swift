// MartletExecution
