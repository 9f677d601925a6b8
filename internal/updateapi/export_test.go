package updateapi

import "time"

// SetPatience shortens how long a client may take.
func (s *Server) SetPatience(d time.Duration) { s.patience = d }
