package payload

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fridayos/friday/android/payload/internal/pb"
)

// parseManifest reads the protobuf message into this package's own types.
func parseManifest(raw []byte) (*Manifest, error) {
	var in pb.DeltaArchiveManifest
	if err := bound(raw, in.ProtoReflect().Descriptor(), maxValues); err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(raw, &in); err != nil {
		return nil, fmt.Errorf("cannot read protobuf: %w", err)
	}
	m := &Manifest{
		MinorVersion:       in.GetMinorVersion(),
		BlockSize:          in.GetBlockSize(),
		MaxTimestamp:       in.GetMaxTimestamp(),
		SecurityPatchLevel: in.GetSecurityPatchLevel(),
		Partial:            in.GetPartialUpdate(),
		Dynamic:            dynamicFrom(in.GetDynamicPartitionMetadata()),
		SignaturesOffset:   in.GetSignaturesOffset(),
		SignaturesSize:     in.GetSignaturesSize(),
	}
	for _, a := range in.GetApexInfo() {
		m.Apexes = append(m.Apexes, Apex{a.GetPackageName(), a.GetVersion(), a.GetIsCompressed(), a.GetDecompressedSize()})
	}
	for i, p := range in.GetPartitions() {
		part, err := partitionFrom(p)
		if err != nil {
			return nil, fmt.Errorf("partition %d: %w", i, err)
		}
		m.Partitions = append(m.Partitions, part)
	}
	return m, nil
}

// bound refuses a message with room for more than most values before any is
// made: an empty one within is two bytes, and a hundred times that in memory.
func bound(raw []byte, d protoreflect.MessageDescriptor, most int) error {
	left := most
	if err := spend(raw, d, &left); err != nil {
		return fmt.Errorf("cannot read protobuf: %w", err)
	}
	if left < 0 {
		return fmt.Errorf("its partitions, operations and extents have room for more than %d values", most)
	}
	return nil
}

// spend takes the repeated values in raw, and what the messages in it have room
// for, off left. Unknown fields are kept as they are, so they cost no more than their bytes.
func spend(raw []byte, d protoreflect.MessageDescriptor, left *int) error {
	for len(raw) > 0 && *left >= 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return protowire.ParseError(n)
		}
		raw = raw[n:]
		size := protowire.ConsumeFieldValue(number, kind, raw)
		if size < 0 {
			return protowire.ParseError(size)
		}
		value := raw[:size]
		raw = raw[size:]
		f := d.Fields().ByNumber(number)
		if f == nil || f.Message() == nil && !f.IsList() {
			continue
		}
		if *left--; f.Message() != nil {
			*left -= f.Message().Fields().Len()
		}
		if inner, n := protowire.ConsumeBytes(value); f.Message() != nil && kind == protowire.BytesType && n >= 0 {
			if err := spend(inner, f.Message(), left); err != nil {
				return err
			}
		}
	}
	return nil
}

func partitionFrom(in *pb.PartitionUpdate) (Partition, error) {
	oldSize, newSize := in.GetOldPartitionInfo().GetSize(), in.GetNewPartitionInfo().GetSize()
	if oldSize > maxBlocks*blockSize || newSize > maxBlocks*blockSize {
		return Partition{}, fmt.Errorf("sizes are %d and %d, expected at most %d", oldSize, newSize, int64(maxBlocks*blockSize))
	}
	p := Partition{
		Name:    in.GetPartitionName(),
		OldSize: int64(oldSize), OldSHA256: in.GetOldPartitionInfo().GetHash(),
		NewSize: int64(newSize), NewSHA256: in.GetNewPartitionInfo().GetHash(),
		RunPostinstall:      in.GetRunPostinstall(),
		PostinstallPath:     in.GetPostinstallPath(),
		FilesystemType:      in.GetFilesystemType(),
		PostinstallOptional: in.GetPostinstallOptional(),
		Version:             in.GetVersion(),
		HasVersion:          in.Version != nil,
		EstimateCowSize:     in.GetEstimateCowSize(),
		EstimateOpCountMax:  in.GetEstimateOpCountMax(),
	}
	if t := in.GetHashTreeExtent(); t.GetNumBlocks() > 0 {
		p.HashTree = &HashTree{extentFrom(in.GetHashTreeDataExtent()), extentFrom(t), in.GetHashTreeAlgorithm(), in.GetHashTreeSalt()}
	}
	if f := in.GetFecExtent(); f.GetNumBlocks() > 0 {
		p.FEC = &FEC{extentFrom(in.GetFecDataExtent()), extentFrom(f), in.GetFecRoots()}
	}
	for _, o := range in.GetMergeOperations() {
		p.Merge = append(p.Merge, MergeOperation{MergeType(o.GetType()), extentFrom(o.GetSrcExtent()), extentFrom(o.GetDstExtent()), o.GetSrcOffset()})
	}
	p.Operations = make([]Operation, 0, len(in.GetOperations()))
	for _, o := range in.GetOperations() {
		p.Operations = append(p.Operations, Operation{
			Type: OpType(o.GetType()),
			Src:  extentsFrom(o.GetSrcExtents()), Dst: extentsFrom(o.GetDstExtents()),
			SrcLength: o.GetSrcLength(), DstLength: o.GetDstLength(),
			DataOffset: o.GetDataOffset(), DataLength: o.GetDataLength(),
			DataSHA256: o.GetDataSha256Hash(), SrcSHA256: o.GetSrcSha256Hash(),
		})
	}
	return p, nil
}

func dynamicFrom(in *pb.DynamicPartitionMetadata) *Dynamic {
	if in == nil {
		return nil
	}
	d := &Dynamic{
		SnapshotEnabled: in.GetSnapshotEnabled(), VABCEnabled: in.GetVabcEnabled(),
		VABCCompression: in.GetVabcCompressionParam(), COWVersion: in.GetCowVersion(),
		CompressionFactor: in.GetCompressionFactor(),
	}
	if f := in.GetVabcFeatureSet(); f != nil {
		d.Features = &VABCFeatures{Threaded: f.GetThreaded(), BatchWrites: f.GetBatchWrites()}
	}
	for _, g := range in.GetGroups() {
		d.Groups = append(d.Groups, Group{g.GetName(), g.GetSize(), g.GetPartitionNames()})
	}
	return d
}

func extentFrom(e *pb.Extent) Extent { return Extent{e.GetStartBlock(), e.GetNumBlocks()} }

func extentsFrom(in []*pb.Extent) []Extent {
	if len(in) == 0 {
		return nil
	}
	out := make([]Extent, len(in))
	for i, e := range in {
		out[i] = extentFrom(e)
	}
	return out
}

// marshal is the protobuf message of m; the same manifest gives the same bytes.
func (m *Manifest) marshal() ([]byte, error) {
	out := &pb.DeltaArchiveManifest{
		BlockSize:                set(m.BlockSize),
		MinorVersion:             proto.Uint32(m.MinorVersion),
		MaxTimestamp:             set(m.MaxTimestamp),
		SecurityPatchLevel:       set(m.SecurityPatchLevel),
		PartialUpdate:            set(m.Partial),
		DynamicPartitionMetadata: dynamicTo(m.Dynamic),
	}
	if m.SignaturesSize > 0 {
		out.SignaturesOffset, out.SignaturesSize = &m.SignaturesOffset, &m.SignaturesSize
	}
	for _, a := range m.Apexes {
		out.ApexInfo = append(out.ApexInfo, &pb.ApexInfo{
			PackageName: set(a.Package), Version: set(a.Version), IsCompressed: set(a.Compressed), DecompressedSize: set(a.DecompressedSize)})
	}
	for i := range m.Partitions {
		out.Partitions = append(out.Partitions, m.Partitions[i].message())
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(out)
}

func (p *Partition) message() *pb.PartitionUpdate {
	out := &pb.PartitionUpdate{
		PartitionName:       &p.Name,
		NewPartitionInfo:    &pb.PartitionInfo{Size: proto.Uint64(uint64(p.NewSize)), Hash: p.NewSHA256},
		RunPostinstall:      set(p.RunPostinstall),
		PostinstallPath:     set(p.PostinstallPath),
		FilesystemType:      set(p.FilesystemType),
		PostinstallOptional: set(p.PostinstallOptional),
		Version:             set(p.Version),
		EstimateCowSize:     set(p.EstimateCowSize),
		EstimateOpCountMax:  set(p.EstimateOpCountMax),
	}
	if p.HasVersion {
		out.Version = &p.Version
	}
	if p.OldSHA256 != nil || p.OldSize > 0 {
		out.OldPartitionInfo = &pb.PartitionInfo{Size: proto.Uint64(uint64(p.OldSize)), Hash: p.OldSHA256}
	}
	if t := p.HashTree; t != nil {
		out.HashTreeDataExtent, out.HashTreeExtent = extentTo(t.Data), extentTo(t.Tree)
		out.HashTreeAlgorithm, out.HashTreeSalt = set(t.Algorithm), t.Salt
	}
	if f := p.FEC; f != nil {
		out.FecDataExtent, out.FecExtent, out.FecRoots = extentTo(f.Data), extentTo(f.Parity), set(f.Roots)
	}
	for _, o := range p.Merge {
		out.MergeOperations = append(out.MergeOperations, &pb.CowMergeOperation{
			Type: proto.Uint32(uint32(o.Type)), SrcExtent: extentTo(o.Src), DstExtent: extentTo(o.Dst), SrcOffset: set(o.SrcOffset)})
	}
	for i := range p.Operations {
		o := &p.Operations[i]
		to := &pb.InstallOperation{
			Type:       proto.Uint32(uint32(o.Type)),
			SrcExtents: extentsTo(o.Src), DstExtents: extentsTo(o.Dst),
			SrcLength: set(o.SrcLength), DstLength: set(o.DstLength),
			DataSha256Hash: o.DataSHA256, SrcSha256Hash: o.SrcSHA256,
		}
		if o.DataLength > 0 {
			to.DataOffset, to.DataLength = &o.DataOffset, &o.DataLength
		}
		out.Operations = append(out.Operations, to)
	}
	return out
}

func dynamicTo(d *Dynamic) *pb.DynamicPartitionMetadata {
	if d == nil {
		return nil
	}
	out := &pb.DynamicPartitionMetadata{
		SnapshotEnabled: set(d.SnapshotEnabled), VabcEnabled: set(d.VABCEnabled),
		VabcCompressionParam: set(d.VABCCompression), CowVersion: set(d.COWVersion),
		CompressionFactor: set(d.CompressionFactor),
	}
	if f := d.Features; f != nil {
		out.VabcFeatureSet = &pb.VABCFeatureSet{Threaded: proto.Bool(f.Threaded), BatchWrites: proto.Bool(f.BatchWrites)}
	}
	for _, g := range d.Groups {
		out.Groups = append(out.Groups, &pb.DynamicPartitionGroup{Name: proto.String(g.Name), Size: set(g.Size), PartitionNames: g.Partitions})
	}
	return out
}

func extentTo(e Extent) *pb.Extent {
	return &pb.Extent{StartBlock: proto.Uint64(e.Start), NumBlocks: proto.Uint64(e.Count)}
}

func extentsTo(in []Extent) []*pb.Extent {
	var out []*pb.Extent
	for _, e := range in {
		out = append(out, extentTo(e))
	}
	return out
}

// set is v for an optional field: nil, so absent, when v is zero.
func set[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
