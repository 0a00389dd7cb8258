// JPEG files, by libjpeg behind a C function that its longjmps do not leave.

import CJPEG
import MartletExecution

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension PixelImage {
  /// Reads a JPEG file, baseline or progressive, as gray or RGB.
  ///
  /// - Throws: ``DataError`` when the file is missing, truncated, damaged, no JPEG, in CMYK, or has
  ///   more than ``pixelLimit`` pixels.
  public init(jpeg path: String) throws(DataError) {
    try self.init(
      jpegData: FileSystem.read(path, limit: PixelImage.fileLimit), location: path)
  }

  /// Reads a JPEG file in memory; `location` names it in errors.
  public init(jpegData: [UInt8], location: String) throws(DataError) {
    guard jpegData.starts(with: [0xff, 0xd8, 0xff]) else {
      throw DataError(
        .wrongFormat, "not a JPEG file", at: location,
        got: jpegData.isEmpty ? "an empty file" : "another signature",
        hint: "convert the picture to JPEG")
    }
    var (width, height, channels): (Int32, Int32, Int32) = (0, 0, 0)
    var decoded: UnsafeMutablePointer<UInt8>?
    var message = [CChar](repeating: 0, count: Int(MARTLET_JPEG_MESSAGE))
    let status = martlet_jpeg_decode(
      jpegData, jpegData.count, PixelImage.pixelLimit, &decoded, &width, &height, &channels,
      &message)
    let text = String(
      decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    switch status {
    case MARTLET_JPEG_DONE: break
    case MARTLET_JPEG_TOO_LARGE:
      throw DataError(
        .tooLarge, "the JPEG picture is too large", at: location, got: text,
        expected: "at most \(PixelImage.pixelLimit) pixels")
    case MARTLET_JPEG_MEMORY:
      throw DataError(.tooLarge, "no memory for the JPEG picture", at: location)
    case MARTLET_JPEG_CMYK:
      throw DataError(
        .unsupported, "a JPEG picture in CMYK", at: location, expected: "gray or RGB",
        hint: "convert the picture to RGB")
    default:
      throw DataError(
        .wrongFormat, "the JPEG file is damaged", at: location, got: "libjpeg: \(text)",
        hint: "fetch the file again")
    }
    defer { free(decoded) }
    let pixels = Array(
      UnsafeBufferPointer(start: decoded, count: Int(width) * Int(height) * Int(channels)))
    self.init(unchecked: Int(width), Int(height), Int(channels), pixels)
  }

  /// Reads a PNG or JPEG file, by what its first bytes say.
  ///
  /// - Throws: ``DataError`` when the file is missing, damaged, or neither.
  public init(contentsOf path: String) throws(DataError) {
    try self.init(
      data: FileSystem.read(path, limit: PixelImage.fileLimit), location: path)
  }

  /// Reads a PNG or JPEG file in memory; `location` names it in errors.
  public init(data: [UInt8], location: String) throws(DataError) {
    if data.starts(with: [0xff, 0xd8, 0xff]) {
      try self.init(jpegData: data, location: location)
    } else if data.starts(with: [0x89, 0x50, 0x4e, 0x47]) {
      try self.init(pngData: data, location: location)
    } else {
      throw DataError(
        .wrongFormat, "neither a PNG nor a JPEG file", at: location,
        got: data.isEmpty ? "an empty file" : "another signature",
        hint: "convert the picture to PNG or JPEG")
    }
  }
}
