"""Networks that come with trained weights: torchvision's, timm's, a package's, or a file's."""
