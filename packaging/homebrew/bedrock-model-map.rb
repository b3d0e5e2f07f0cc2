# Template of the formula: a release replaces @TAG@ and the checksums by those of checksums.txt.
class BedrockModelMap < Formula
  desc "Shows which Amazon Bedrock models and inference profiles each AWS region offers"
  homepage "https://github.com/bedrock-model-map/bedrock-model-map"
  license "Apache-2.0"

  on_macos do
    on_intel do
      url "https://github.com/bedrock-model-map/bedrock-model-map/releases/download/@TAG@/bedrock-model-map-@TAG@-darwin-amd64.tar.gz"
      sha256 "@SHA256_DARWIN_AMD64@"
    end
    on_arm do
      url "https://github.com/bedrock-model-map/bedrock-model-map/releases/download/@TAG@/bedrock-model-map-@TAG@-darwin-arm64.tar.gz"
      sha256 "@SHA256_DARWIN_ARM64@"
    end
  end

  on_linux do
    on_intel do
      url "https://github.com/bedrock-model-map/bedrock-model-map/releases/download/@TAG@/bedrock-model-map-@TAG@-linux-amd64.tar.gz"
      sha256 "@SHA256_LINUX_AMD64@"
    end
    on_arm do
      url "https://github.com/bedrock-model-map/bedrock-model-map/releases/download/@TAG@/bedrock-model-map-@TAG@-linux-arm64.tar.gz"
      sha256 "@SHA256_LINUX_ARM64@"
    end
  end

  def install
    bin.install "bedrock-model-map"
    bin.install_symlink "bedrock-model-map" => "kubectl-bmm"
  end

  test do
    assert_match "BedrockModelMap", shell_output("#{bin}/bedrock-model-map crd")
  end
end
