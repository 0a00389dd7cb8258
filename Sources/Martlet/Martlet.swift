// The one module that a user imports.

@_exported import MartletExecution
@_exported import MartletIR
@_exported import MartletNN
@_exported import MartletOps
@_exported import MartletPasses
@_exported import MartletTraining
