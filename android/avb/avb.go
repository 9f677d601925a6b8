// Package avb reads, checks, makes and signs Android Verified Boot 2.0 metadata:
// vbmeta structs, their descriptors and signatures, partition footers, hash trees
// and their error correction.
//
// It decides nothing about a phone: whether a key is trusted or a rollback index
// is too low is for the caller, who gets both from [VerifyChain]. It does not know
// file systems, Verified Boot 1 (Android 7 and older), nor the ML-DSA algorithms
// of Android 17.
//
// The formats are described in AOSP's external/avb (README.md and the headers of
// libavb), the hash tree and its error correction in the Linux kernel's
// Documentation/admin-guide/device-mapper/verity.rst.
package avb
