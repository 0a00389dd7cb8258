// PNG files, by libpng's simplified interface: its errors are return values, its longjmp never
// crosses a frame of Swift.

import CPNG
import MartletExecution

extension PixelImage {
  static let fileLimit = 256 << 20

  /// Reads a PNG file of any colour type and depth as gray or RGB, with alpha if it has it.
  ///
  /// - Throws: ``DataError`` when the file is missing, damaged, no PNG, or has more than
  ///   ``pixelLimit`` pixels.
  public init(png path: String) throws(DataError) {
    let file = try FileSystem.read(path, limit: PixelImage.fileLimit)
    try self.init(pngData: file, location: path)
  }

  /// Reads a PNG file in memory; `location` names it in errors.
  public init(pngData: [UInt8], location: String) throws(DataError) {
    guard pngData.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) else {
      throw DataError(
        .wrongFormat, "not a PNG file", at: location,
        got: pngData.isEmpty ? "an empty file" : "another signature",
        hint: "convert the picture to PNG")
    }
    var result: Result<PixelImage, DataError>?
    pngData.withUnsafeBytes { bytes in
      do throws(DataError) {
        result = .success(try PixelImage.decode(bytes, location: location))
      } catch { result = .failure(error) }
    }
    guard let result else { throw DataError(.notReadable, "no result", at: location) }
    self = try result.get()
  }

  private static func decode(
    _ bytes: UnsafeRawBufferPointer, location: String
  ) throws(DataError) -> PixelImage {
    let png = PNGControl()
    guard png_image_begin_read_from_memory(png.image, bytes.baseAddress, bytes.count) != 0 else {
      throw png.error("the PNG file is damaged", at: location)
    }
    let (width, height) = (Int(png.image.pointee.width), Int(png.image.pointee.height))
    guard width > 0, height > 0, width <= pixelLimit / height else {
      throw DataError(
        .tooLarge, "the PNG picture is too large", at: location, got: "\(width) × \(height) pixels",
        expected: "at most \(pixelLimit) pixels")
    }
    let color = png.image.pointee.format & UInt32(PNG_FORMAT_FLAG_COLOR) != 0
    let alpha = png.image.pointee.format & UInt32(PNG_FORMAT_FLAG_ALPHA) != 0
    png.image.pointee.format =
      (color ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0) | (alpha ? UInt32(PNG_FORMAT_FLAG_ALPHA) : 0)
    // Samples of 16 bits without a gamma mean the same as those of 8 bits to every program that
    // writes them; libpng would take them for linear light.
    png.image.pointee.flags |= UInt32(PNG_IMAGE_FLAG_16BIT_sRGB)
    let channels = (color ? 3 : 1) + (alpha ? 1 : 0)
    let count = width * height * channels
    var done = false
    let pixels = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      done = png_image_finish_read(png.image, nil, buffer.baseAddress, 0, nil) != 0
      filled = done ? count : 0
    }
    guard done else { throw png.error("the PNG file is damaged", at: location) }
    return PixelImage(unchecked: width, height, channels, pixels)
  }

  /// The picture as a PNG file in memory.
  ///
  /// - Throws: ``DataError`` where libpng fails, for want of memory say.
  public func pngData() throws(DataError) -> [UInt8] {
    let png = PNGControl()
    png.image.pointee.width = UInt32(width)
    png.image.pointee.height = UInt32(height)
    png.image.pointee.format =
      (channels > 2 ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0)
      | (channels % 2 == 0 ? UInt32(PNG_FORMAT_FLAG_ALPHA) : 0)
    // Twice: for the size, then for the bytes.
    var size: png_alloc_size_t = 0
    guard png_image_write_to_memory(png.image, nil, &size, 0, pixels, 0, nil) != 0 else {
      throw png.error("cannot encode a PNG file", at: "image")
    }
    var done = false
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, filled in
      done =
        png_image_write_to_memory(png.image, buffer.baseAddress, &size, 0, pixels, 0, nil) != 0
      filled = done ? Int(size) : 0
    }
    guard done else { throw png.error("cannot encode a PNG file", at: "image") }
    return bytes
  }

  /// Writes the picture as a PNG file, which appears all at once.
  ///
  /// - Throws: ``DataError`` where the file cannot be written.
  public func writePNG(to path: String) throws(DataError) {
    try FileSystem.write(try pngData(), to: path)
  }
}

// libpng keeps a pointer to its control structure: it must not move, and must be freed.
private final class PNGControl {
  let image: UnsafeMutablePointer<png_image>

  init() {
    image = .allocate(capacity: 1)
    image.initialize(to: png_image())
    image.pointee.version = UInt32(PNG_IMAGE_VERSION)
  }

  deinit {
    png_image_free(image)
    image.deallocate()
  }

  func error(_ what: String, at location: String) -> DataError {
    let message = withUnsafeBytes(of: &image.pointee.message) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    return DataError(
      .wrongFormat, what, at: location, got: message.isEmpty ? nil : "libpng: \(message)")
  }
}
