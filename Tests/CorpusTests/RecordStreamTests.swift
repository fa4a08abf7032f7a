import Checkpoints
import Corpus
import Foundation
import TestSupport
import Testing

/// Files are read buffer by buffer: nothing may depend on where a buffer ends.
struct RecordStreamTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func stream(_ name: String, _ bytes: [UInt8], _ samples: TextSamples = .paragraph) throws -> RecordStream {
    try RecordStream(path: try directory.write(name, bytes), samples: samples)
  }

  private func records(_ stream: RecordStream, _ maximum: Int = 4096) throws -> [JSONValue] {
    var records: [JSONValue] = []
    while let batch = try stream.next(maximum) {
      #expect((1...maximum).contains(batch.count))
      for place in 0..<batch.count { records.append(try batch.record(place)) }
    }
    return records
  }

  private func records(_ name: String, _ text: String, _ samples: TextSamples = .paragraph) throws -> [JSONValue] {
    try records(stream(name, Array(text.utf8), samples), 2)
  }

  // MARK: Packed files

  /// A thousand lines of up to 100 bytes, `{"a":i,"text":"x…\\n"}`, as one gzip member and as one zstd frame.
  private static let packed = [
    "gz": Data(base64Encoded: gzip) ?? Data(), "zst": Data(base64Encoded: zstd) ?? Data(),
  ]
  private static let gzip =
    "H4sIAAAAAAACA73du64gtw0G4D6PsXUK8U76WdKkSJvKhQEj7264iWV7NKMLqXZE/mzOLs75IFC//vj3j5/aP3/8/J9ffv7x049/"
    + "/ffH//7x6+/f4P/ffvnjI/7xsftK3dfuM/efu+/yp+/dgf75oDuxv5x0R/7Xo+4s/nbWHUL7+2l/DA/H/Tk+nfcF9FjQV/BzRV8i"
    + "g5K+Rkc1fZENi/oqH1f1ZfFS1v+4tLe6vhBeC/tKfK/sS+mjtK/lr9q+WD6L+2r9ru7LbaK8r/eZ+r4hphr6f99trqNvgcmWvgdn"
    + "e/ommm7qu3i+q2+Thba+T1f6+kZbauw7fa2zb43F1v7//Lba2zfDcnPfjevdfTtttPf9vNPfB8hWQJ+gewl9hG1G9Bm+m9GHxHZI"
    + "/6tG20/pY+Agps/Bk5w+iI6C+iQ+S+qj5DCqz9LTrD7MjsP6ND9P6+MiIa7/Jbpl5PWBkBLYJ2JOYh9JSZF9Jmdl9qGSFtqnal5q"
    + "H2uJsX2uZ+b2wZEa3P8F2nKT+2hIju6zMTu7D6f08D6d89P7eCmI7/O1Ir8fYCUD+gleM6EfEUUjeiFqVTP6IVA2pJ+CdVP6MVQ4"
    + "pp/DlXP6QVI6qJ+ktZP6UVY8qp/l1bP6YVE+rEfiJ/2OR/6OZ/+OAYDHSMBjSOAxNvB4QfB4VfAPBv9w8PYF4e1Twts3hbcJC28z"
    + "GN6mNLzNcXib9PA2CeIAsyIOME3iAPMmDrCA4gArKg6wxOIAay4OsAjjAKsyDrBM44DrNg64geOAOzoOuMXjgHs+DrgJ5IC7Qg64"
    + "TeSA+0YOeIDkQCdKDnTE5EBnTg50COVAp1IOdEzlQOdWDpSA5UAZWg6UwuXAOV4OnATmwFliDpxG5sB5Zg6ciObAmWoOnMrmwLlu"
    + "DpwM5yDZcg6STucg+XYOUoDnIBV6DlLC5yA1fg5SBOggVYIOUkbooHWGDlqI6KCVig5ayuigtY4OWgzpoNWSDlpO6aD1lg56AdPB"
    + "bmg62BVOB7vj6WCXQB3slqiDXSN1sHumDnYR1cFuqjrYVVYHf7xV7o+wDv4s6+ADWgcf2Tr4ENfBx7oO/sLr4G++Dv4O7PEB7PEF"
    + "7PEJ7PEN7DEB7DED7DEF7DEH7DF74Xz6xvn0lfM2f+e8LVw6byu3ztvStfO2du+8LV48b6s3z9vy1fO2DOwI68COsAHsCDvAjrAF"
    + "7Ah7wI6wCewIu8COsA3sCPvAjnAA7IgnwI54BOyIZ8COeAjsiKfAjngM7IjnwI6YAOyIGcCOmALsSDnAjpQE7EhZwI6UBuxIecCO"
    + "lAjsSJnAjpQK7Ei5wI6UDOzI2cCOnA7syPnAjlwA7MgVwI5cAuzINcCOXATsyFXAjlwG7Ch1wI5SCOwolcCOUgrsKLXAjlIM7CjV"
    + "wI5SDuwo9cCOcgHYUW8AO+oVYEe9A+yol4Ad9Rawo14DdtR7wI56EdhRbwI76lVgR3sCdrTnxS32DOxoA2BHGwE72hDY0cbAjvYC"
    + "7GhvwI72Cuzo78CO/gHs6F/Ajv4J7OjfwI4+AezoM8COPgXs6HPAjj4L7DEN7DEP7LEA7LEC7LEE7LEG7LEI7LEK7LG+22VjucvG"
    + "dpe2s96lbe13aXsLXtrmhpe2u+Klbe94aftLXtrBlpd2AOwEJ8BOcATsBGfATnAI7ASnwE5wDOwE58BOkADsBBnATpAC7IQ5wE6Y"
    + "BOyEWcBOmAbshHnATpgI7ISZwE6YCuyEucBOmAzsRNnATpQO7ET5wE5UAOxEFcBOVALsRDXATlQE7ERVwE5UBuzEdcBOXAjsxJXA"
    + "TlwK7MS1wE5cDOzE1cBOXA7sxPXATnwB2EluADvJFWAnuQPsJJeAneQWsJNcA3aSe8BOchHYSW4CO8lVYCd9AnbSR2AnHexG1wGw"
    + "k46AnXQI7KRjYCd9AXbSN2AnfQV2sndgJ/sAdrIvYCf7BHayb2AnmwB2shlgJ5sCdrI5YCebBHbyWWAnnwZ28nlgJ18AdvIVYCdf"
    + "AnbyNWAnXwR28lVgJ18H9tgA9tgB9tgC9tgD9tgE9tgF9tgG9tgH9jhZo360R/1okXo726TeDlept9Nd6u14mXo736beEtapt4x9"
    + "6i1loXpLAXaGHGBnSAJ2hixgZ0gDdoY8YGdIBHaGTGBnSAV2hlxgZ0gGdsZsYGdMB3bGfGBnLAB2xgpgZywBdsYaYGcsAnbGKmBn"
    + "LAN2pjpgZyoEdqZKYGcqBXamWmBnKgZ2pmpgZyoHdqZ6YGe6AOzMN4Cd+QqwM98BduZLwM58C9iZrwE78z1gZ74I7Mw3gZ35KrCz"
    + "PAE7yyOwszwDO8vo+VEZATvLENhZxsDO8gLsLG/AzvIK7KzvwM76AeysX8DO+gnsrN/AzjoB7KwzwM46Beysc8DOOgnsbLPAzjYN"
    + "7GzzwM62AOxsK8DOtgTsbGvAzrYI7GyrwM62DOzs68DOvgHs7DvAzr4F7Ox7wM6+Cezsu8DOvg3s7PvAzn4C7HEE7HEG7HEI7HEK"
    + "7HEM7HEO7JEA7JEB7JHzYmnSk6VJb5a2rEdLW9qrpS3v2dKW+G5py3y4tKW+XNpyny5tyW+XtmRgF8gGdoF0YBfIB3aBAmAXqAB2"
    + "gRJgF6gBdoEiYBeoAnaBMmAXrAN2wUJgF6wEdsFSYBesBXbBYmAXrAZ2wXJgF6wHdsELwC50A9iFrgC70B1gF7oE7EK3gF3oGrAL"
    + "3QN2oYvALnQT2IWuArvwE7ALPwK78DOwCw+AXXgE7MJDYBceA7vwC7ALvwG78Cuwi7wDu8gHsIt8AbvIJ7CLfAO7yASwi8wAu8gU"
    + "sIvMAbvIJLCLzgK76DSwi84Du+gCsIuuALvoErCLrgG76CKwi64Cu+gysIutA7vYBrCL7QC72Bawi+0Bu9gmsIvtArvYNrCL7QO7"
    + "2AGwi58Au/gRsIufAbv4IbCLnwK7+DGwi58Du3gCsItnALt4DrBHErBHFrBHGrBHHrBHIrBHJrBHKrBHLrBHMrBHMrBrywZ2benA"
    + "ri0f2LUVALu2CmDXVgLs2mqAXVsRsGurAnZtZcCuUAfsCoXArlAJ7AqlwK5QC+wKxcCuUA3sCuXArlAP7AoXgF3xBrArXgF2xTvA"
    + "rngJ2BVvAbviNWBXvAfsiheBXfEmsCteBXalJ2BXegR2pWdgVxoAu9II2JWGwK40BnalF2BXegN2pVdgV34HduUPYFf+AnblT2BX"
    + "/gZ25QlgV54BduUpYFeeA3blSWBXmQV2lWlgV5kHdpUFYFdZAXaVJWBXWQN2lUVgV1kFdpVlYFddB3bVDWBX3QF21S1gV90DdtVN"
    + "YFfdBXbVbWBX3Qd21QNgVzsBdrUjYFc7A3a1Q2BXOwV2tWNgVzsHdrUEYFfLAHa1FGBXzwF29SRgV88CdvU0YFfPA3b1RGBXzwR2"
    + "9VRgV88FdvVsYI90YI98YI8CYI8KYI8SYI8aYI8iYI8qYI8yYI8yYLdWB+zWCoHdWiWwWysFdmu1wG6tGNitVQO7tXJgt1YP7NYu"
    + "ALvBDWA3uALsBneA3eASsBvcAnaDa8BucA/YDS4Cu8FNYDe4CuyGT8Bu+Ajshs/AbjgAdsMRsBsOgd1wDOyGL8Bu+Abshq/AbvQO"
    + "7EYfwG70BexGn8Bu9A3sRhPAbjQD7EZTwG40B+xGk8BuPAvsxtPAbjwP7MYLwG68AuzGS8BuvAbsxovAbrwK7MbLwG6yDuwmG8Bu"
    + "sgPsJlvAbrIH7CabwG6yC+wm28Busg/sJgfAbnoC7KZHwG56Buymh8BuegrspsfAbnoO7KYJwG6aAeymKcBulgPsZknAbpYF7GZp"
    + "wG6WB+xmicBulgnsZqnAbpYL7GbJwG6eDezm6cBung/s5gXAbl4B7OYlwG5eA+zmRcBuXgXs5nXAHoXAHpXAHqXAHrXAHsXAHtXA"
    + "HuXAHvXAHheAPS4Au7cbwO7tCrB7uwPs3i4Bu7dbwO7tGrB7uwfs3i4Cu7ebwO7tKrA7PAG7wyOwOzwDu8MA2B1GwO4wBHaHMbA7"
    + "vAC7wxuwO7wCu+M7sDt+ALvjF7A7fgK74zewO04Au+MMsDtOAbvjHLA7TgK70yywO00Du9M8sDstALvTCrA7LQG70xqwOy0Cu9Mq"
    + "sDstA7vzOrA7bwC78w6wO28Bu/MesDtvArvzLrA7bwO78z6wOx8Au8sJsLscAbvLGbC7HAK7yymwuxwDu8s5sLskALtLBrC7pAC7"
    + "aw6wuyYBu2sWsLumAbtrHrC7JgK7ayawu6YCu2susLsmA7tbNrC7pQO7Wz6wuxUAu1sFsLuVALtbDbC7FQG7WxWwu5UBu3sdsLsX"
    + "Art7JbC7lwK7ey2wuxcDu3s1sLuXA7t7PbC73wD2uALscQfY4xKwxy1gj2vAHveAPS4Ce9wE9rgK7HEV2KM9AXu0R2CP9gzs0QbA"
    + "Hm0E7NGGwB5tDOzRXoA92huwR3sF9oB3YA/4APaAL2AP+AT2gG9gD5gA9oAZYA+YAvaAOWAPmAT2wFlgD5wG9sB5YA9cAPbAFWAP"
    + "XAL2wDVgD1wE9sBVYA9cBvagdWAP2gD2oB1gD9oC9qA9YA/aBPagXWAP2gb2oH1gDzoA9uATYA8+AvbgM2APPgT24FNgDz4G9uBz"
    + "YA9OAPbgDGAPTgH2kBxgD0kC9pAsYA9JA/aQPGAPSQT2kExgD0kF9pBcYA9JBvbQbGAPTQf20HxgDy0A9tAKYA8tAfbQGmAPLQL2"
    + "0CpgDy0D9rA6YA8rBPawSmAPKwX2sFpgDysG9rBqYA8rB/awemAPuwDs4TeAPfwKsIffAfbwS8AefgvYw68Be/g9YA+/COzhN4E9"
    + "/C6wxyOwxzOwxwDYYwTsMQT2GAN7vAB7vAF7vAJ7jID9N2DbyQHGAQEA"
  private static let zstd =
    "KLUv/QRoPVIAVupQF5AnhXSrWXxL9+4Uf9pbSrl3mBizMwMBWABOAEMAVG4kwlxUbiSCXFRuJEJcVG4kwv9/+KJyIxHqonIjEeii"
    + "ciMRelG5kQi8qNxIhF1UbiTCXFRuJIJcVG4kQlxUbgqkIAAkGBgYMBAwOFBQ4MAgQBAwIDBAECMRvqjcSIS6qNxIBLqo3EiEXlRu"
    + "JAIvKjcSYRcVcCMR5qJyIxHkonIjEeKiciMRisqNRPiiciMR6qJyIxHoKig3EqEXlRuJwIvKjUTYFTQaEhISEqKgQP//X6VSW3ad"
    + "TqdTabSh//9fJJbkOI4jh8Jg4P//11ajdRzHcdtssljY///X0HQ6nU5nOJsZmZgwPxf//1/XNU3T9DRN03Tvvffee++cc84555zv"
    + "vffee+89z3J8HA6Hw///X0XVYhVrNSUVFRUVFer//yKiEgOHCaijK/v+HbMoBBGufI46E5BAgANwAQQCgWAgEAwGgsFgQCCGgRCE"
    + "YRgIohgMZGk0fUynUzNpDEvDwFGA17RSTSM0L/9z1duyfpYz12ihvjIdkJoBxj/yM7Z5S7o23VhydZs0krgmo5YLQppS6QgRvH6F"
    + "B+osR6wirSYEJl3UVlQRhQ6GBEUVSnwlz3YPFhpTlYiB+OvmF5FO1VxDNv+l+So3BZgpeHoz129IK2I2Z5ljsdWB5vD6pSOFtic/"
    + "YeGlEm8iC5QkD0+aNRJ517dLF7SharsuyBKkfpfee9n1gFB2ETABXsf0Sr1RvVQfvTy7ps7yRnSMeuKGPv++ycZlLCWdaBRjEchD"
    + "Igoy+A/qY76Lbs7xbrygRXXmEzGFvvSdxayVw0re6SalFkVwHHKAz3I7TLPhagbkLZisLCU4oMmXgCNwGIylwPoEwxi4vYBEgv2s"
    + "uO/Y/lvoaMUVzKae2qvlVgiz6GXlGF+/TUohU9NLnBlZCzyDx68OiZqe/AiLJSrRUxlESD14bZBWwSlSBoclAnYge5CKLrH7sqsB"
    + "oe9CUEKojsOlKH6DwFJQr/+7wtnGJiuYa19XgT6FmGxAD6g97sX2crklbaGhelYPqlOHG1xnbfBe84rZpmOK5OJzy9lUjOq505pJ"
    + "kDC6QGjBH+3jKGMT1hiMsKgNlSRfiIDxAzsZjaFwZSLRDHpPQELwcjj0r8Z+c3rfyil4bw7aNHJTw03MZZaeVjWL6jETEWWrHMsJ"
    + "u9s7sw4p2p78yJW3iohS2VDSPXhoklPhCFLm45ICeCArQH0uvf+yrwGh7CJBAryMyUWj3eAqCeEzyMv/XeVsezNrzDVaqa6XCkkN"
    + "wDlPpreXYpWE9JEYik04RBAYQT73d5huxXoRYkrigwjOJzponXpQgvLIBUIL+DSHs1oNqGcwwrJkSCLxKQLGD+xrML2CUxIJaWic"
    + "JQ0cJwb+y+LTvi8tnIL25qhNQ242uMlcZu7RVbOpHjMRUbbKsZxgt70z65Cg7cmPWGmjiDiVLUrag5cmKRXOIGU+LjGAB7IGqOCS"
    + "+y/7GhDKLiQkhMs4XMpiNwwsBfT+2R3uFvZZgrn2dRUoU4jJgj7/uMn2Ei6QjziGoRjFIREHGdgX8mKtgy7n8hQbcwo6VQiyKot5"
    + "3EuPrDVSOSVgNRMXpIiEcH1EAytJMTWJWeRHD85vIK5C6xMoMbwGwQiCTOJBPvh5tNnLEq/yvfFoJpGbBWwSbrN/bNWMVE9NhJKs"
    + "bFQ22A08s3ZI0vTwQyweqUROZRAh1cFzg1wKjpAyHJYMsIHsQSp12d7XLg2EeheBEqBzfFfF+BUES4G+7l90YWiztUYB9nCvvF8F"
    + "pTQqbfDT3ZvcWMYS0olGMS6CXEiiQIb/gD/Mu+jmHM/Gi1pUzzwRpuhL3VnMWjmp5JluQmqRCMZDDvhZt8M0G65mwPyCyQqJShUF"
    + "ALrcOktkw5VkJP66+UWkUzXXDo58BClV4owqsB5db5mpq/dQSjGbs8y12OpAM3j9yZFC2/OPWHRSiTaRAUpKh5dM8pacQchoXD6g"
    + "QxkGqMXVfa9dGAjHLhJKgOL4r6rxKwCeAn7d0xXuLfSxhHvlfSoopXFpg5/u3uTGMpaQTjSKcRHkQhIFMvwH/GHeRTfneDZe1KJ6"
    + "5okwRV/q7reQU7emAA0Yph6RoFD0gaECn+3lKF4DLpkMtSgckk18HAHRA/sbDKPolAQlDdtcQJrAlXBhgLcX+mK5iFiRlvOJ+VnT"
    + "B9XguTfJUo65B/vs4w4uQTYm5tE1FVXrtA8Qkh68Nkir4AgpQ8PSANwQIKm5vu+1CwPh2EVCCdAZ/1U1fgXAU8Cve7rCvYU+lnCv"
    + "vJ9TYYifWUEDPeD556YwKqOYFOKxx4kgD6EA+MCfkDebTrRxzrGJXU2VZp3ELuJqJwu2Vy7FmacflYRspFEghj/O0+nMBi6ZDLUo"
    + "XBJNfhgB4QP7Gwyn4PQEShq2sUCC4JVwcJ/6Xmt0v8SrfG88mknkZgGbhNvsH3x2Y8KE7BheCrNY9sM10oP03JGEdlNlb3n9+hRC"
    + "mja8aCGdMce0yYpkSUJ4hw1ZvPnhxwcoGPMzrPRjNQN7ERiF/8MI4ZKjcA6LUbYsI5CdF8RMehh9f/XYrgXcyrKsw7qeINUAMW29"
    + "oe6w04EyV0ml4kM6QUYZQ2QdQnk8KLh/LcGeUe62tpx+dUM8tRJhJvwwztolb1lCpsr9hGJYpgaFVM4a/dU5amboY34IVScB2SRs"
    + "TLC0sEMoDoakLUck3YeV1qAvFpAZwWYaJCZCwCG4UIHn4tcq+UVLx/xz0+eGmWmmSY4wx6KZ6zqzbI3q9qSLsmnjlqRPlLkhJuFN"
    + "MB2orOkMokqdm11ht3I3SEAGdSSO1m7UysI2QEDe0YJMWPzg5ANyGvMAqXigm4G9SIyG/2IU4cZRcI7FKFuWEZDNC2JGPgy9v+Jo"
    + "1wNudbms4ro+INWAmLaeoXbY6YDKvMmuqz/lzkMqQcYFQywSwtMeFMM/l8Neae4YuJz0uhE3Na8wk/thyrWrsLIAUvV6QrErk6Mh"
    + "jRoiwTnkOj86XEdj2dBlDAC1vDBQRCFpwiNy7wPAarwGC8QdoVIN6hbBRAjYLwIE9T9LXpyiC5t5w+TGzGnUTKaZxeLMfTFjqUZ1"
    + "9lK50jTkyoZP1NwhlPDZmBxY1l5UMUtezr6CIyUhDz1IR8ZpUNliWyIg75iJnkzh6AwTLtoQ4VwSB0djMrio9IJzGSQ4euTARQEp"
    + "cC5MvvxxVx8W1V8/tKtgbpNfdgRdR6TqFkwlPvQo6vRgmcBT6YchNZRRlyEaBuEBDx7nX9TtgeN2ni9XWN2cSk3qmOn3MMrsgrEs"
    + "x6kq6VCRxrTrkMQHEWMOpbAfha1DFjYwHONiWuAVBQQ++fgjAPPxGjVwl4VCRyybBgNFYF4EcDMgTPV9Wx7o6Vpljnu7VWv6YCFL"
    + "1phZcuHKViixdlhTUWl6OSXOL6ruMIHgSUzHLGty1YwoZ3WQlNEgsQxElzxquzlUFNKAMHkHHFkQg6iBv2M+hBXfpAGtyG6OYcI9"
    + "0hgFhHKGwd6QjCIcAElX81xamQ=="

  @Test(arguments: ["gz", "zst"]) func `a long packed file is read whole, and in its order`(packing: String) throws {
    let copies = 400
    let bytes = Array(repeatElement(Self.packed[packing] ?? Data(), count: copies).joined())
    let stream = try stream("a.jsonl.\(packing)", bytes)
    var (count, lastLine) = (0, 0)
    while let batch = try stream.next() {
      for place in 0..<batch.count {
        let record = try batch.record(place)
        #expect(record["a"]?.int == count % 1000)
        #expect(batch.location(place).line == count + 1)
        count += 1
      }
      lastLine = batch.location(batch.count - 1).line
    }
    #expect(count == 1000 * copies && lastLine == count)
  }

  @Test(arguments: ["gz", "zst"]) func `a damaged packed file is refused`(packing: String) throws {
    let bytes = Array(Self.packed[packing] ?? Data())
    for count in [1, 10, bytes.count / 2, bytes.count - 1] {
      let stream = try stream("cut.jsonl.\(packing)", Array(bytes[..<count]))
      let error = #expect(throws: CorpusError.self) { try records(stream) }
      #expect(error?.description.contains("data ends too early") == true)
    }
    let stream = try stream("a.jsonl.\(packing)", bytes + Array("garbage".utf8))
    #expect(throws: CorpusError.self) { try records(stream) }
  }

  @Test func `every kind of file may be packed`() throws {
    let bytes = Array(Self.packed["gz"] ?? Data())
    for name in ["a.ndjson.gz", "a.json.GZ", "a.txt.gz"] { #expect(try !records(stream(name, bytes)).isEmpty) }
  }

  // MARK: Tables

  @Test func `a table is read as RFC 4180 has it`() throws {
    let text = "\u{FEFF}prompt,\"chosen, the\",rejected\r\nHi,\"A \"\"b\"\",\r\nc\",\"\"\r\n\r\né,,x\n"
    let expected: [JSONValue] = [
      ["prompt": "Hi", "chosen, the": "A \"b\",\r\nc", "rejected": ""],
      ["prompt": "é", "chosen, the": .null, "rejected": "x"],
    ]
    #expect(try records("a.csv", text) == expected)
    #expect(try records("a.tsv", "a\tb\n1,2\t\"x\ty\"\n") == [["a": "1,2", "b": "x\ty"]])
    #expect(try records("a.csv", "a\rb\rc") == [["a": "b"], ["a": "c"]])
    // Quotes inside a bare field are text.
    #expect(
      try records("a.csv", "a,b\n1,5\" disk\n\"\",2\"\"\n") == [["a": "1", "b": "5\" disk"], ["a": "", "b": "2\"\""]])
    // Columns without a name: pandas's index, what Excel leaves at the end.
    #expect(try records("a.csv", ",a,,b,\n0,1,,2,\n") == [["a": "1", "b": "2"]])
    #expect(try records("a.csv", "a\n\"x\"\"\n\"\"\"\n") == [["a": "x\"\n\""]])
  }

  @Test func `mistakes in a table are named`() throws {
    for (text, reason) in [
      ("a,b\n1\n", "expected 2 fields as in the first row, found 1"), ("a,b\n1,2,3\n", "found 3"),
      ("a,b\n1,\"2\n", "field 2: its quotes do not close"), ("a,b\n\"1\"x,2\n", "field 1: expected a separator"),
    ] {
      let stream = try stream("a.csv", Array(text.utf8))
      let mistake = #expect(throws: RecordMistake.self) { try records(stream) }
      #expect(mistake?.description.contains(reason) == true && mistake?.location.line == 2)
    }
    let latin = try stream("a.csv", Array("a\n".utf8) + [0xE9, 0x0A])
    #expect(throws: RecordMistake.self) { try records(latin) }
    for (text, reason) in [("a,b,a\n1,2,3", "\"a\" is there twice"), ("a;b\n1;2", "separates them by semicolons")] {
      let stream = try stream("a.csv", Array(text.utf8))
      let error = #expect(throws: CorpusError.self) { try records(stream) }
      #expect(error?.description.contains(reason) == true)
    }
  }

  @Test func `objects may be written over several lines, or on one`() throws {
    let expected: [JSONValue] = [["a": "}{\"\\"], ["a": ["b": [1]]]]
    let first = #"{"a": "}{\"\\"}"#
    for text in [
      "{\n  \"a\":\n \"}{\\\"\\\\\"\n}\n{\n \"a\": {\"b\": [\n1]}}\n", "\(first){\"a\": {\"b\": [1]}}",
      "\n \(first)\n\n{\"a\": {\"b\": [1]}}",
    ] { #expect(try records("a.jsonl", text) == expected, "\(text)") }
    let stream = try stream("a.json", Array("{\n\"a\": 1\n}\n\n{\n\"a\":\n2}".utf8))
    let batch = try #require(try stream.next())
    #expect((0..<batch.count).map { batch.location($0).line } == [1, 5])
    // Of lines one mistake is one record's.
    for text in ["{\"a\": 1}\n{\"a\": \n{\"a\": 2}\n", "{\"a\": \n{\"a\": 2}\n", "{\"a\n\n{\"a\": 2}\n"] {
      #expect(throws: RecordMistake.self) { try records("b.jsonl", text) }
    }
  }

  @Test func `what a file is otherwise is told`() throws {
    for (bytes, reason) in [
      ([0x1F, 0x8B, 8], "packed by gzip"), ([0xFF, 0xFE, 0x7B, 0], "UTF-16"),
      (Array("<!DOCTYPE html>".utf8), "web page"),
      (Array("version https://git-lfs.github.com/spec/v1\n".utf8), "git lfs pull"),
      (Array("{\n  \"data\": [\n}\n".utf8), "the file ends inside the object"), ([], "it is empty"),
    ] as [([UInt8], String)] {
      let error = #expect(throws: (any Error).self) { try records(stream("a.jsonl", bytes)) }
      #expect(error.map { "\($0)" }?.contains(reason) == true, "\(error.map { "\($0)" } ?? "")")
    }
  }

  @Test func `a row knows its line`() throws {
    let stream = try stream("a.csv", Array("a,b\n\"1\n2\",x\n\n3,y\n".utf8))
    let batch = try #require(try stream.next())
    #expect((0..<batch.count).map { batch.location($0).line } == [2, 5])
  }

  // MARK: Texts

  @Test func `texts are cut at blank lines, at lines or not at all`() throws {
    let text = "\nOne.\nTwo.\n \t\r\n\nThree.\n"
    #expect(try records("a.txt", text) == [["text": "One.\nTwo."], ["text": "Three."]])
    #expect(try records("a.txt", text, .line) == [["text": "One."], ["text": "Two."], ["text": "Three."]])
    #expect(try records("a.txt", text, .document) == [["text": .string(text)]])
    let long = (0..<200_000).map { "Line \($0) of a long text,\nin two lines.\n\n" }.joined()
    #expect(try records(stream("long.txt", Array(long.utf8))).count == 200_000)
  }

  @Test func `what is no text is a mistake`() throws {
    let stream = try stream("a.txt", [0x61, 0x0A, 0xFF])
    let mistake = #expect(throws: RecordMistake.self) { try records(stream) }
    #expect(mistake?.description.contains("it is not UTF-8") == true)
  }

  @Test func `formats that are not read say what makes them so`() throws {
    let error = #expect(throws: CorpusError.self) { try stream("a.arrow", [0]) }
    #expect(error?.description.contains("Dataset.from_file") == true)
    let zip = #expect(throws: CorpusError.self) { try stream("a.jsonl.zip", [0]) }
    #expect(zip?.description.contains("unzip") == true)
  }
}
