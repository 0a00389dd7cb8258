/* Embeds the classic data sets, as martlet_digits.c does MNIST: by `#embed`, which clang takes in C11 too. */
#include "martlet_classics.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char airline_csv[] = {
#embed "data/airline.csv"
};
static const unsigned char breast_cancer_csv[] = {
#embed "data/breast_cancer.csv"
};
static const unsigned char diabetes_csv[] = {
#embed "data/diabetes.csv"
};
static const unsigned char digits_t10k_images_idx3_ubyte_gz[] = {
#embed "data/digits-t10k-images-idx3-ubyte.gz"
};
static const unsigned char digits_t10k_labels_idx1_ubyte_gz[] = {
#embed "data/digits-t10k-labels-idx1-ubyte.gz"
};
static const unsigned char digits_train_images_idx3_ubyte_gz[] = {
#embed "data/digits-train-images-idx3-ubyte.gz"
};
static const unsigned char digits_train_labels_idx1_ubyte_gz[] = {
#embed "data/digits-train-labels-idx1-ubyte.gz"
};
static const unsigned char hamlet_txt_gz[] = {
#embed "data/hamlet.txt.gz"
};
static const unsigned char iris_csv[] = {
#embed "data/iris.csv"
};
static const unsigned char sunspots_csv[] = {
#embed "data/sunspots.csv"
};
static const unsigned char surnames_txt_gz[] = {
#embed "data/surnames.txt.gz"
};
static const unsigned char wine_csv[] = {
#embed "data/wine.csv"
};

static const martlet_classic files[] = {
    {"airline.csv", airline_csv, sizeof airline_csv},
    {"breast_cancer.csv", breast_cancer_csv, sizeof breast_cancer_csv},
    {"diabetes.csv", diabetes_csv, sizeof diabetes_csv},
    {"digits-t10k-images-idx3-ubyte.gz", digits_t10k_images_idx3_ubyte_gz, sizeof digits_t10k_images_idx3_ubyte_gz},
    {"digits-t10k-labels-idx1-ubyte.gz", digits_t10k_labels_idx1_ubyte_gz, sizeof digits_t10k_labels_idx1_ubyte_gz},
    {"digits-train-images-idx3-ubyte.gz", digits_train_images_idx3_ubyte_gz, sizeof digits_train_images_idx3_ubyte_gz},
    {"digits-train-labels-idx1-ubyte.gz", digits_train_labels_idx1_ubyte_gz, sizeof digits_train_labels_idx1_ubyte_gz},
    {"hamlet.txt.gz", hamlet_txt_gz, sizeof hamlet_txt_gz},
    {"iris.csv", iris_csv, sizeof iris_csv},
    {"sunspots.csv", sunspots_csv, sizeof sunspots_csv},
    {"surnames.txt.gz", surnames_txt_gz, sizeof surnames_txt_gz},
    {"wine.csv", wine_csv, sizeof wine_csv},
};

martlet_classic martlet_classic_file(size_t index) {
  return index < sizeof files / sizeof *files ? files[index] : (martlet_classic){"", NULL, 0};
}
