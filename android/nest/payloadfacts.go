package nest

import (
	"fmt"

	"github.com/fridayos/friday/android/payload"
)

// payloadFacts are what the manifest says of the package as a whole.
func payloadFacts(m *payload.Manifest) map[string]any {
	f := map[string]any{
		"minor_version": m.MinorVersion, "full": m.MinorVersion == 0, "partial": m.Partial, "signed": m.SignaturesSize > 0, "timestamp": m.MaxTimestamp,
	}
	set(f, "security_patch", m.SecurityPatchLevel)
	if d := m.Dynamic; d != nil {
		f["virtual_ab"], f["vabc"] = d.SnapshotEnabled, d.VABCEnabled
		set(f, "vabc_compression", d.VABCCompression)
		if d.COWVersion > 0 {
			f["cow_version"] = d.COWVersion
		}
		if d.CompressionFactor > 0 {
			f["vabc_compression_factor"] = d.CompressionFactor
		}
		if v := d.Features; v != nil {
			f["vabc_threaded"], f["vabc_batch_writes"] = v.Threaded, v.BatchWrites
		}
		groups := map[string]any{}
		for _, g := range d.Groups {
			groups[g.Name] = map[string]any{"size": g.Size, "partitions": g.Partitions}
		}
		f["groups"] = groups
	}
	if len(m.Apexes) > 0 {
		apexes := map[string]any{}
		for _, a := range m.Apexes {
			one := map[string]any{"version": a.Version, "compressed": a.Compressed}
			if a.Compressed {
				one["unpacked"] = a.DecompressedSize
			}
			apexes[a.Package] = one
		}
		f["apexes"] = apexes
	}
	return f
}

// partitionFacts are what it says of one partition. refused is why it cannot be
// applied here, if it cannot.
func partitionFacts(p *payload.Partition, refused error) map[string]any {
	f := map[string]any{"size": p.NewSize, "sha256": fmt.Sprintf("%x", p.NewSHA256), "operations": len(p.Operations)}
	kinds := map[string]any{}
	for i := range p.Operations {
		k := p.Operations[i].Type.String()
		n, _ := kinds[k].(int)
		kinds[k] = n + 1
	}
	if len(kinds) > 0 {
		f["operation_types"] = kinds
	}
	if p.OldSHA256 != nil {
		f["from_size"], f["from_sha256"] = p.OldSize, fmt.Sprintf("%x", p.OldSHA256)
	}
	set(f, "version", p.Version)
	set(f, "file_system", p.FilesystemType)
	if p.RunPostinstall {
		f["postinstall"], f["postinstall_optional"] = p.PostinstallPath, p.PostinstallOptional
	}
	if t := p.HashTree; t != nil {
		f["phone_computes_hash_tree"] = fmt.Sprintf("%s over %d blocks, at block %d", t.Algorithm, t.Data.Count, t.Tree.Start)
	}
	if c := p.FEC; c != nil {
		f["phone_computes_fec"] = fmt.Sprintf("%d roots over %d blocks, at block %d", c.Roots, c.Data.Count, c.Parity.Start)
	}
	merges := map[string]any{}
	for _, o := range p.Merge {
		k := o.Type.String()
		n, _ := merges[k].(int)
		merges[k] = n + 1
	}
	if len(merges) > 0 {
		f["merge_operations"] = merges
	}
	if p.EstimateCowSize > 0 {
		f["estimate_cow_size"] = p.EstimateCowSize
	}
	if p.EstimateOpCountMax > 0 {
		f["estimate_op_count_max"] = p.EstimateOpCountMax
	}
	if refused != nil {
		f["not_supported"] = refused.Error()
	}
	return f
}
