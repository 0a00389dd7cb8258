// The classic small data sets inside the program: tables, 8 × 8 digits, texts, monthly series.

import CMartletClassics
import MartletExecution

/// The bytes of an embedded file.
enum EmbeddedFile {
  static func read(_ name: String) throws(DataError) -> [UInt8] {
    var index = 0
    while true {
      let file = martlet_classic_file(index)
      guard let bytes = file.bytes else {
        throw DataError(.notFound, "no such embedded file", at: name)
      }
      if String(cString: file.name) == name {
        return Array(UnsafeBufferPointer(start: bytes, count: file.count))
      }
      index += 1
    }
  }

  /// An embedded gzip file's content.
  static func inflated(_ name: String) throws(DataError) -> [UInt8] {
    try GzipReader.inflated(read(name), limit: 1 << 24, location: "embedded \(name)")
  }

  static func table(_ name: String) throws(DataError) -> Table {
    try Table(
      csv: read(name), location: "embedded \(name)",
      options: CSVOptions(separator: .comma, hasHeader: true))
  }
}

extension TabularSet {
  /// The names that ``named(_:)`` knows.
  public static let names = ["iris", "wine", "breast-cancer", "diabetes"]

  /// An embedded set by its name: `iris`, `wine`, `breast-cancer` or `diabetes`.
  ///
  /// - Throws: ``DataError`` for another name.
  public static func named(_ name: String) throws(DataError) -> TabularSet {
    switch name {
    case "iris": return try iris()
    case "wine": return try wine()
    case "breast-cancer": return try breastCancer()
    case "diabetes": return try diabetes()
    default:
      throw DataError(
        .notFound, "no such table", at: name, expected: names.joined(separator: ", "))
    }
  }

  /// Fisher's irises: 150 flowers of 3 species, 4 measurements in cm.
  ///
  /// - Throws: ``DataError`` where the embedded bytes are damaged.
  public static func iris() throws(DataError) -> TabularSet {
    try TabularSet(
      EmbeddedFile.table("iris.csv"), name: "iris", targets: ["species"], task: .classification())
  }

  /// 178 wines of 3 cultivars, 13 chemical measurements.
  ///
  /// - Throws: ``DataError`` where the embedded bytes are damaged.
  public static func wine() throws(DataError) -> TabularSet {
    try TabularSet(
      EmbeddedFile.table("wine.csv"), name: "wine", targets: ["cultivar"],
      task: .classification())
  }

  /// Wisconsin's diagnostic breast cancer set: 569 tumours, 30 measurements of cell nuclei; class 0
  /// is malignant, 1 benign.
  ///
  /// - Throws: ``DataError`` where the embedded bytes are damaged.
  public static func breastCancer() throws(DataError) -> TabularSet {
    try TabularSet(
      EmbeddedFile.table("breast_cancer.csv"), name: "breast-cancer", targets: ["diagnosis"],
      task: .classification(Vocabulary(["malignant", "benign"])))
  }

  /// 442 diabetes patients: 10 measurements, raw, and a measure of the disease's progression a
  /// year later.
  ///
  /// - Throws: ``DataError`` where the embedded bytes are damaged.
  public static func diabetes() throws(DataError) -> TabularSet {
    try TabularSet(
      EmbeddedFile.table("diabetes.csv"), name: "diabetes", targets: ["progression"],
      task: .regression)
  }
}

extension Dataset {
  /// 1,438 handwritten digits to train on and 359 to test on, 8 × 8 pixels of 0 to 16, light on
  /// dark: the test part of UCI's optdigits, as scikit-learn has it, divided class by class.
  ///
  /// They are embedded in the program (NOTICE names their source and licence): nothing is read.
  ///
  /// - Throws: ``DataError`` where the embedded bytes are damaged.
  public static func digits() throws(DataError) -> Dataset {
    func array(_ name: String, rank: Int) throws(DataError) -> IDXArray {
      let name = "digits-\(name).gz"
      return try IDXArray.parse(
        EmbeddedFile.read(name), rank: rank, location: "embedded \(name)")
    }
    func split(_ prefix: String) throws(DataError) -> Split {
      try Split(
        array("\(prefix)-images-idx3-ubyte", rank: 3),
        array("\(prefix)-labels-idx1-ubyte", rank: 1),
        location: "embedded digits")
    }
    return try Dataset(
      name: "digits", train: split("train"), test: split("t10k"),
      classNames: (0..<10).map(String.init))
  }
}
