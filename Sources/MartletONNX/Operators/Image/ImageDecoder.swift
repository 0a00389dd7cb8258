import MartletIR
import MartletOps
import Synchronization

/// An image file's pixels, `[height, width, channels]` in bytes.
/// https://onnx.ai/onnx/operators/onnx__ImageDecoder.html
///
/// BMP, PNM and uncompressed TIFF are read here; other formats by whatever `ONNXImages` was given.
struct ImageDecoder: Operator {
  static let name = "ImageDecoder"
  static let since = 20

  static func build(_ node: NodeContext) throws -> [ONNXValue] {
    let file = try node.constant(0)
    guard file.elementType == .uint8, file.shape.rank == 1, let array = file.array else {
      throw node.invalid("needs the bytes of a file, got \(file.elementType.name)\(file.shape)")
    }
    let limit = node.importer.limits.bytes / 4
    let pixels: ONNXImages.Pixels
    do {
      pixels = try ONNXImages.decode(array.bytePatterns, limit: limit)
    } catch let error as ONNXImages.Refusal {
      throw node.unsupported(error.why)
    }
    let (count, overflow) = pixels.width.multipliedReportingOverflow(by: pixels.height)
    guard !overflow, pixels.channels == 1 || pixels.channels == 3, count <= limit,
      pixels.bytes.count == count * pixels.channels
    else { throw node.invalid("the decoder's pixels do not fill the image") }
    let format = try node.string("pixel_format", default: "RGB")
    let (bytes, channels) =
      switch format {
      case "RGB": (pixels.colored([0, 1, 2]), 3)
      case "BGR": (pixels.colored([2, 1, 0]), 3)
      case "Grayscale": (pixels.gray, 1)
      default: throw node.invalid("pixel_format '\(printable(format))'")
      }
    let type = TensorType(.uint8, [pixels.height, pixels.width, channels])
    return [.constant(HostTensor(HostArray(type, bytes: bytes)))]
  }
}

/// What decodes the image files that a model reads with the operator ImageDecoder.
///
/// BMP, PNM and uncompressed TIFF need no library and are read without it. A program that links
/// decoders of PNG, JPEG and the like adds them here, once; `martlet` adds MartletData's.
public enum ONNXImages {
  /// A decoded image: rows from the top, one byte a channel, gray (1 channel) or RGB (3).
  public struct Pixels: Sendable {
    /// Pixels in a row.
    public var width: Int
    /// Rows.
    public var height: Int
    /// 1 or 3.
    public var channels: Int
    /// `height · width · channels` of them.
    public var bytes: [UInt8]

    /// An image of such pixels.
    public init(width: Int, height: Int, channels: Int, bytes: [UInt8]) {
      (self.width, self.height, self.channels, self.bytes) = (width, height, channels, bytes)
    }
  }
  /// Decodes a file's bytes, at most so many pixels of them; nil for a format that it does not know.
  /// Throws where the file is damaged.
  public typealias Decoder = @Sendable (_ file: [UInt8], _ limit: Int) throws -> Pixels?

  private static let decoders = Mutex<[Decoder]>([])

  /// Adds a decoder, which is asked after those that are there.
  public static func add(_ decoder: @escaping Decoder) {
    decoders.withLock { $0.append(decoder) }
  }

  struct Refusal: Error {
    var why: String
  }

  static func decode(_ file: [UInt8], limit: Int) throws -> Pixels {
    if let plain = try PlainImage.decode(file, limit: limit) { return plain }
    for decoder in decoders.withLock({ $0 }) {
      do {
        if let pixels = try decoder(file, limit) { return pixels }
      } catch {
        throw Refusal(why: printable("the image cannot be decoded: \(error)"))
      }
    }
    let start = file.prefix(4).map { String($0, radix: 16) }.joined(separator: " ")
    throw Refusal(why: "nothing decodes images that begin with the bytes \(start)")
  }
}

extension ONNXImages.Pixels {
  /// Three channels, in the order of the given ones.
  fileprivate func colored(_ order: [Int]) -> [UInt8] {
    if channels == 3, order == [0, 1, 2] { return bytes }
    var result: [UInt8] = []
    result.reserveCapacity(width * height * 3)
    for pixel in 0..<(width * height) {
      for channel in order {
        result.append(bytes[pixel * channels + (channels == 3 ? channel : 0)])
      }
    }
    return result
  }

  /// Luma of ITU-R BT.601 in 16 bits, rounded.
  fileprivate var gray: [UInt8] {
    guard channels == 3 else { return bytes }
    return (0..<(width * height)).map { pixel in
      let (r, g, b) = (bytes[pixel * 3], bytes[pixel * 3 + 1], bytes[pixel * 3 + 2])
      return UInt8(
        truncatingIfNeeded: (Int(r) * 19595 + Int(g) * 38470 + Int(b) * 7471 + 0x8000) >> 16)
    }
  }
}
