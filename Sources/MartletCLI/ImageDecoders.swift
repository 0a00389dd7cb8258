// What the tool's models read images with.

import MartletData
import MartletONNX

/// PNG and JPEG for the operator ImageDecoder of ONNX files.
func addImageDecoders() {
  ONNXImages.add { file, limit in
    guard file.starts(with: [0xff, 0xd8, 0xff]) || file.starts(with: [0x89, 0x50, 0x4e, 0x47])
    else { return nil }
    let image = try PixelImage(data: file, location: "an image")
    guard image.pixels.count <= limit else { return nil }
    // Without alpha.
    let channels = image.channels < 3 ? 1 : 3
    var bytes = image.pixels
    if channels != image.channels {
      let kept = bytes.enumerated().filter { $0.offset % image.channels < channels }
      bytes = kept.map(\.element)
    }
    return ONNXImages.Pixels(
      width: image.width, height: image.height, channels: channels, bytes: bytes)
  }
}
