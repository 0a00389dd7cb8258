// The functions of libm that readers and augmentations need, by names that Foundation does not shadow.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

func naturalLogarithm(_ x: Double) -> Double { log(x) }
