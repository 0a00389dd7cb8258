// Recipes: what is trained on what, as a file a person writes.

import MartletData
import MartletTraining
