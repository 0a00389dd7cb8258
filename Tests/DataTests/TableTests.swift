// CSV files, tables and the embedded tables: what is read, and what is refused with its line.

import MartletData
import MartletExecution
import MartletIR
import MartletTraining
import Testing

@Suite struct TableTests {
  func table(_ text: String, _ options: CSVOptions = CSVOptions()) throws -> Table {
    try Table(csv: Array(text.utf8), location: "t.csv", options: options)
  }

  @Test func readsWhatPythonWrites() throws {
    let cases = try JSONValue(parsing: fixture("csv.json"), file: "csv.json").array ?? []
    #expect(cases.count == 60)
    for item in cases {
      let text = item["text"]?.string ?? ""
      let rows = (item["rows"]?.array ?? []).map { ($0.array ?? []).map { $0.string ?? "" } }
      let separators: [String: CSVSeparator] = [
        "comma": .comma, "semicolon": .semicolon, "tab": .tab,
      ]
      let table = try table(
        text,
        CSVOptions(separator: separators[item["separator"]?.string ?? ""], hasHeader: false))
      #expect(table.rowCount == rows.count)
      for (column, name) in table.columnNames.enumerated() {
        #expect(try table.texts(name) == rows.map { $0[column] }, "\(text)")
      }
    }
  }

  @Test(arguments: [
    ("a,b\n1,2\n3,4\n", CSVSeparator.comma), ("a;b\r\n1;2\r\n3;4", .semicolon),
    ("a\tb\r1\t2\r3\t4\r", .tab), ("a  b\n 1   2 \n3 4\n", .blanks),
    ("\u{feff}a;b\n\n1;2\n\n3;4\n\n", .semicolon), ("\"a\",\"b\"\n\"1\",2\n3,\"4\"\n", .comma),
    ("a;b\n1;2\n3;4\n", .semicolon),
  ]) func findsSeparatorAndHeader(_ text: String, _ separator: CSVSeparator) throws {
    for options in [CSVOptions(), CSVOptions(separator: separator, hasHeader: true)] {
      let table = try table(text, options)
      #expect(table.columnNames == ["a", "b"])
      #expect(try table.numbers("a") == [1, 3] && table.numbers("b") == [2, 4])
    }
  }

  @Test func numbersAreThoseOfTheStandardLibrary() throws {
    let texts = [
      "0", "-0", "1.5", "+2", ".5", "5.", "1e3", "-1.25E-7", "123456789012345", "0.1", "0.3",
      "123456789.123456", "1234567890123456789", "4.9e-324", "1.7976931348623157e308", " 7 ",
      "0.000000000000001", "9007199254740993", "72057594037927937.5",
    ]
    let table = try Table(["x": texts])
    let expected = texts.map { Double($0 == " 7 " ? "7" : $0) ?? .nan }
    let values = try table.numbers("x")
    for (a, b) in zip(values, expected) { #expect(a.bitPattern == b.bitPattern, "\(a) \(b)") }
  }

  @Test func aFirstRowWithoutNumbersIsAHeader() throws {
    #expect(try table("1,2\n3,4\n").columnNames == ["column 1", "column 2"])
    #expect(try table(",b\nx,y\n").columnNames == ["column 1", "b"])
    #expect(try table("x\n1\n2\n").numbers("x") == [1, 2])
    #expect(try table("petal width (cm)\n1\n 2 \n").numbers("petal width (cm)") == [1, 2])
    #expect(try table("a b,c d\n1,2\n").columnNames == ["a b", "c d"])
    let named = try table("1,2\n", CSVOptions(columnNames: ["p", "q"]))
    #expect(try named.numbers("q") == [2])
    #expect(try table("a,b\n").rowCount == 0)
  }

  @Test(arguments: [
    ("a,b\n1,2\n3\n", DataError.Code.mismatch, "t.csv:3", "1 field"),
    ("a,b\n1,2\n\n3,4,5\n", .mismatch, "t.csv:4", "3 fields"),
    ("a,b\n\"x\ny\",2\n3\n", .mismatch, "t.csv:4", "1 field"),
    ("a,b\n\"1,2\n3,4\n", .wrongFormat, "t.csv:2", "the end of the file"),
    ("a,b\n\"1\"x,2\n", .wrongFormat, "t.csv:2", "x,2\n"),
    ("a,a\n1,2\n", .mismatch, "t.csv:1", "\"a\" twice"),
    ("", .truncated, "t.csv", ""), ("\n\n\r\n", .truncated, "t.csv", ""),
    ("a,b\n1,\u{0}\n", .wrongFormat, "t.csv:2", "byte 0x00"),
  ]) func refuses(_ text: String, _ code: DataError.Code, _ place: String, _ got: String) {
    let error = dataError(code) { _ = try table(text) }
    #expect(error?.location == place && (error?.got ?? "") == got)
  }

  @Test func refusesOtherEncodings() throws {
    let latin = Array("a,b\n1,".utf8) + [0xe9] + Array("\n".utf8)
    let error = dataError(.wrongFormat) { _ = try Table(csv: latin, location: "t.csv") }
    #expect(error?.location == "t.csv:2" && error?.got == "byte 0xe9")
    _ = dataError(.unsupported) {
      _ = try Table(csv: [0xff, 0xfe, 0x61, 0, 0x2c, 0], location: "t.csv")
    }
    // Each ill-formed sequence; the well-formed neighbours pass.
    for bytes: [UInt8] in [
      [0xc0, 0x80], [0xe0, 0x9f, 0xbf], [0xed, 0xa0, 0x80], [0xf0, 0x8f, 0xbf, 0xbf],
      [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0x80], [0xe2, 0x82], [0xc3],
    ] {
      _ = dataError(.wrongFormat) { _ = try Table(csv: [0x78, 0x0a] + bytes, location: "t") }
    }
    #expect(try table("x\né€𝄞\u{d7ff}\u{e000}\u{10ffff}\n").rowCount == 1)
  }

  @Test func namesTheLineOfABadNumber() throws {
    let table = try table("age,sex\n31,m\n\n\"4x\",f\n,m\n1e999,f\nnan,f\n0x10,f\n")
    let lines = [4, 5, 6, 7, 8]
    let codes: [DataError.Code] = [
      .wrongFormat, .outOfRange, .outOfRange, .outOfRange, .wrongFormat,
    ]
    for (row, (line, code)) in zip(lines, codes).enumerated() {
      let one = table.rows([0, row + 1])
      let error = dataError(code) { _ = try one.numbers("age") }
      #expect(error?.location == "t.csv:\(line), column \"age\"")
    }
    let error = dataError(.wrongFormat) { _ = try table.numbers("age") }
    #expect(
      error?.description == """
        text in a column of numbers
          in t.csv:4, column "age"
          got "4x"
          expected a number
          hint: name the column among the categorical ones if it holds categories
        """)
    let missing = dataError(.notFound) { _ = try table.numbers("ages") }
    #expect(missing?.expected == "\"age\", \"sex\"")
  }

  @Test func fillsAndDropsMissingValues() throws {
    let table = try table("x,y\n1,a\nNA,b\n3,\n?,c\nNaN,d\n")
    #expect(try table.numbers("x", missing: .fill(-1)) == [1, -1, 3, -1, -1])
    #expect(try table.numbers("x", missing: .mean) == [1, 2, 3, 2, 2])
    #expect(try table.droppingRows(missingIn: ["x"]).numbers("x") == [1, 3])
    let kept = try table.droppingRows()
    #expect(try kept.numbers("x") == [1] && kept.texts("y") == ["a"])
    _ = dataError(.outOfRange) {
      _ = try self.table("x,y\n,1\n?,2\n").numbers("x", missing: .mean)
    }
    _ = dataError(.notFound) { _ = try table.droppingRows(missingIn: ["z"]) }
  }

  @Test func categoriesBecomeNumbers() throws {
    let table = try table("size,colour,price\n10,red,1\n9,blue,2\n10,green,3\n")
    let hot = try TabularSet(
      table, targets: ["price"], task: .regression,
      categorical: ["colour": .oneHot(), "size": .index()])
    #expect(hot.featureNames == ["size", "colour=blue", "colour=green", "colour=red"])
    // Texts that are numbers are sorted as numbers: 9 before 10.
    #expect(hot.features == [1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0])
    #expect(hot.fields.map(\.type.description) == ["f32[4]", "f32[1]"])
    // The vocabulary is kept: another table is encoded alike, and its unknown texts are refused.
    let other = try self.table("size,colour,price\n9,green,7\n")
    let alike = try TabularSet(
      other, targets: ["price"], task: .regression, categorical: hot.encodings)
    #expect(alike.features == [0, 0, 1, 0])
    let stranger = try self.table("size,colour,price\n9,green,7\n9,pink,7\n")
    let error = dataError(.outOfRange) {
      _ = try TabularSet(
        stranger, targets: ["price"], task: .regression, categorical: hot.encodings)
    }
    #expect(error?.location == "t.csv:3, column \"colour\"")
    #expect(error?.expected == "blue, green, red")
    // Without a word about it a text is an error.
    _ = dataError(.wrongFormat) {
      _ = try TabularSet(table, targets: ["price"], task: .regression)
    }
    _ = dataError(.notFound) {
      _ = try TabularSet(
        table, targets: ["price"], task: .regression, categorical: ["shape": .oneHot()])
    }
    _ = dataError(.mismatch) {
      _ = try TabularSet(
        table, targets: ["price", "size"], task: .classification(),
        categorical: ["colour": .oneHot()])
    }
    _ = dataError(.mismatch) {
      _ = try TabularSet(table, features: ["price"], targets: ["price"], task: .regression)
    }
    _ = dataError(.outOfRange) {
      _ = try TabularSet(table, features: [], targets: ["price"], task: .regression)
    }
    _ = dataError(.unsupported) {
      _ = try TabularSet(table, targets: ["price"], task: .regression, dtype: .int32)
    }
    _ = dataError(.mismatch) { _ = try Vocabulary(["a", "b", "a"]) }
  }

  @Test func embedsTheClassicTables() throws {
    let iris = try TabularSet.named("iris")
    #expect(iris.count == 150 && iris.classes?.values == ["setosa", "versicolor", "virginica"])
    #expect(try iris.batch([149])[0].floats == [5.9, 3.0, 5.1, 1.8])
    #expect(try iris.batch([0, 50, 149])[1].elements(as: Int32.self) == [0, 1, 2])
    let wine = try TabularSet.named("wine")
    #expect(wine.count == 178 && wine.featureCount == 13 && wine.classes?.count == 3)
    let cancer = try TabularSet.named("breast-cancer")
    #expect(cancer.count == 569 && cancer.featureCount == 30)
    #expect(try cancer.classLabels().count { $0 == 0 } == 212)
    let diabetes = try TabularSet.named("diabetes")
    #expect(diabetes.count == 442 && diabetes.featureCount == 10 && diabetes.classes == nil)
    #expect(try diabetes.batch([0])[1].floats == [151])
    #expect(diabetes.targets.reduce(0, +) == 67243)
    _ = dataError(.notFound) { _ = try TabularSet.named("boston") }
    let digits = try Dataset.named("digits")
    #expect(digits.train.count == 1438 && digits.test.count == 359 && digits.train.width == 8)
    #expect(digits.train.images.max() == 16)
    let all = (digits.train.labels + digits.test.labels).reduce(into: [Int32: Int]()) {
      $0[$1, default: 0] += 1
    }
    #expect(
      all == [0: 178, 1: 182, 2: 177, 3: 183, 4: 181, 5: 182, 6: 181, 7: 179, 8: 174, 9: 180])
  }

  @Test func aModelRemembersItsTable() throws {
    let table = try table("size,colour,price\n10,red,1\n9,blue,2\n10,green,3\n4,red,4\n")
    let set = try TabularSet(
      table, targets: ["price"], task: .regression, categorical: ["colour": .oneHot()])
    let scaling = try Scaling.standard(fitting: set)
    let input = try TabularInput(of: set, scaling: scaling)
    let folder = try TemporaryFolder()
    let manifest = ModelManifest(
      name: "x", inputShape: [4], table: input.json, classes: ["price"])
    try ModelDirectory.write(manifest, [], metadata: [:], to: folder.file("m"))
    let read = try ModelDirectory.read(folder.file("m")).0
    let again = try TabularInput(try #require(read.table), file: "model.json")
    #expect(again == input)
    // Another order of columns, and one more; the same numbers as at training.
    let other = try self.table("colour,weight,size\ngreen,1,10\nred,2,4\n")
    let seen = try set.scaled(scaling).batch([2, 3])[0]
    #expect(try again.features(of: other).floats == seen.floats)
    let error = dataError(.outOfRange) {
      _ = try again.features(of: self.table("colour,size\npink,10\n"))
    }
    #expect(error?.location == "t.csv:2, column \"colour\"")
    _ = dataError(.mismatch) {
      _ = try TabularInput(of: set, scaling: Scaling(offsets: [0], divisors: [1]))
    }
    for text in [
      "{}", "{\"columns\": []}", "{\"columns\": [{}]}",
      "{\"columns\": [{\"name\": \"a\", \"index\": []}]}",
      "{\"columns\": [{\"name\": \"a\"}], \"offsets\": [1]}",
      "{\"columns\": [{\"name\": \"a\"}], \"offsets\": [\"1\"], \"divisors\": [1]}",
    ] {
      _ = dataError(.wrongFormat) {
        _ = try TabularInput(JSONValue(parsing: Array(text.utf8), file: "x"), file: "x")
      }
    }
  }

  @Test func joinsTables() throws {
    let people = try table("id,name,city\n7,Ann,Rome\n9,Bob,Oslo\n8,Cy,Rome\n")
    let cities = try Table(
      csv: Array("size,city\n3,Rome\n1,Oslo\n".utf8), location: "cities.csv")
    let both = try people.joined(with: cities, on: "city")
    #expect(both.columnNames == ["id", "name", "city", "size"])
    #expect(try both.numbers("size") == [3, 1, 3] && both.texts("name") == ["Ann", "Bob", "Cy"])
    let fewer = cities.rows([0])
    let error = dataError(.notFound) { _ = try people.joined(with: fewer, on: "city") }
    #expect(error?.location == "t.csv:3, column \"city\"" && error?.got == "\"Oslo\"")
    let kept = try people.joined(with: fewer, on: "city", dropsUnmatched: true)
    #expect(try kept.numbers("id") == [7, 8])
    let twice = try cities.appending(table("city,size\nRome,4\n"))
    #expect(try twice.numbers("size") == [3, 1, 4])
    _ = dataError(.mismatch) { _ = try people.joined(with: twice, on: "city") }
    _ = dataError(.notFound) { _ = try people.joined(with: cities, on: "id") }
    _ = dataError(.mismatch) { _ = try people.joined(with: people, on: "id") }
    _ = dataError(.mismatch) { _ = try people.appending(cities) }
  }

  @Test func readsCompressedFiles() throws {
    let folder = try TemporaryFolder()
    let packed: [UInt8] = [  // gzip of a,b LF 1,2 LF
      0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x4b, 0xd4, 0x49, 0xe2, 0x32,
      0xd4, 0x31, 0xe2, 0x02, 0x00, 0x7b, 0x07, 0x97, 0x0a, 0x08, 0x00, 0x00, 0x00,
    ]
    let table = try Table(csv: folder.write(packed, "t.csv.gz"))
    #expect(try table.numbers("b") == [2])
    _ = dataError(.truncated) {
      _ = try Table(csv: folder.write(Array(packed.dropLast(3)), "t.csv.gz"))
    }
    _ = dataError(.notFound) { _ = try Table(csv: folder.file("none.csv")) }
  }

  @Test func noMutationTraps() throws {
    // Damaged tables either read or throw; what reads can be asked for.
    var random = FixedRandom(state: 4180)
    let good = Array(
      "\u{feff}age,\"na\"\"me\",x\r\n31,\"a,b\",1.5\n42,\"c\nd\",-2e3\n7,é,NA\n".utf8)
    var read = 0
    for _ in 0..<(1000 * slowFactor) {
      let bytes = random.damaged(good)
      guard let table = try? Table(csv: bytes, location: "fuzz") else { continue }
      read += 1
      for name in table.columnNames {
        #expect(try table.texts(name).count == table.rowCount)
        _ = try? table.numbers(name, missing: .mean)
      }
    }
    #expect(read > 100)
  }
}
