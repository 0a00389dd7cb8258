// Whoever trains by recipes has their models too.

@_exported import MartletRecipeModels
