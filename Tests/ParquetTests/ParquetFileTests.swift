import Parquet
import Testing

struct ParquetFileTests {
}
