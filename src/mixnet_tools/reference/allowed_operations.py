"""The operations of TensorFlow that a model may use: computation, variables, control flow, tables and lists in memory.

Everything else is refused, whatever it does. TensorFlow marks operations with side effects as stateful, but not all of
them: ``ReadFile``, ``MatchingFiles``, ``PyFuncStateless``, ``ImmutableConst``, ``DecodeProtoV2`` or ``DebugIdentity``
read or write files, or run Python, without the mark. So this is a list of what is allowed. It was made by reading the
list of operations of TensorFlow 2.21 (``TF_GetAllOpList``); older names of the same operations are in it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARITHMETIC = _names(
    """
    Abs AccumulateNV2 Acos Acosh Add AddN AddV2 Angle ApproximateEqual ArgMax ArgMin Asin Asinh Atan Atan2 Atanh
    BatchMatMul BatchMatMulV2 BatchMatMulV3 BesselI0 BesselI0e BesselI1 BesselI1e BesselJ0 BesselJ1 BesselK0
    BesselK0e BesselK1 BesselK1e BesselY0 BesselY1 Betainc Bincount BitwiseAnd BitwiseOr BitwiseXor Bucketize
    Cast Ceil ClipByValue Complex ComplexAbs Conj Cos Cosh Cross CumulativeLogsumexp Cumprod Cumsum Dawsn
    DenseBincount Digamma Div DivNoNan Einsum Equal Erf Erfc Erfinv EuclideanNorm Exp Expint Expm1 Floor
    FloorDiv FloorMod FresnelCos FresnelSin Greater GreaterEqual HistogramFixedWidth Igamma Igammac Imag Inv
    Invert IsFinite IsInf IsNan L2Loss LeftShift Less LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr
    MatMul Max Maximum Mean Min Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual Polygamma PopulationCount
    Pow Prod Real RealDiv Reciprocal RightShift Rint Round Rsqrt SegmentMax SegmentMaxV2 SegmentMean SegmentMin
    SegmentMinV2 SegmentProd SegmentProdV2 SegmentSum SegmentSumV2 Select SelectV2 Sigmoid Sign Sin Sinh
    SparseMatMul SparseSegmentMean SparseSegmentMeanWithNumSegments SparseSegmentSqrtN
    SparseSegmentSqrtNWithNumSegments SparseSegmentSum SparseSegmentSumWithNumSegments Spence Sqrt Square
    SquaredDifference Sub Sum Tan Tanh TruncateDiv TruncateMod UnsortedSegmentMax UnsortedSegmentMin
    UnsortedSegmentProd UnsortedSegmentSum Xdivy Xlog1py Xlogy Zeta All Any
    """
)
"""Element by element, reductions, products of matrices."""

LINEAR_ALGEBRA = _names(
    """
    BandedTriangularSolve Cholesky Eig FFT FFT2D FFT3D FFTND IFFT IFFT2D IFFT3D IFFTND IRFFT IRFFT2D IRFFT3D
    IRFFTND LogMatrixDeterminant Lu MatrixDeterminant MatrixExponential MatrixInverse MatrixLogarithm
    MatrixSolve MatrixSolveLs MatrixSquareRoot MatrixTriangularSolve Qr RFFT RFFT2D RFFT3D RFFTND
    SelfAdjointEigV2 Svd TridiagonalMatMul TridiagonalSolve
    """
)

ARRAYS = _names(
    """
    BatchToSpace BatchToSpaceND Bitcast BroadcastArgs BroadcastGradientArgs BroadcastTo CheckNumerics
    CheckNumericsV2 Concat ConcatOffset ConcatV2 ConjugateTranspose Const DeepCopy Diag DiagPart
    DynamicPartition DynamicStitch EnsureShape ExpandDims Fill Fingerprint Gather GatherNd GatherV2
    GuaranteeConst HostConst Identity IdentityN InTopK InTopKV2 InplaceAdd InplaceSub InplaceUpdate
    InvertPermutation LinSpace ListDiff LowerBound MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV2
    MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MirrorPad NoOp
    NthElement OneHot OnesLike Pack Pad PadV2 ParallelConcat ParallelDynamicStitch Placeholder PlaceholderV2
    PlaceholderWithDefault PreventGradient RaggedGather RaggedRange RaggedTensorToSparse RaggedTensorToTensor
    Range Rank Reshape ReverseSequence Reverse ReverseV2 Roll ScatterNd ScatterNdNonAliasingAdd Shape ShapeN
    Size Slice Snapshot SpaceToBatch SpaceToBatchND SparseAdd SparseConcat SparseCross SparseFillEmptyRows
    SparseReduceMax SparseReduceSum SparseReorder SparseReshape SparseSlice SparseSoftmax SparseSplit
    SparseTensorDenseAdd SparseTensorDenseMatMul SparseToDense Split SplitV Squeeze StopGradient StridedSlice
    TensorScatterAdd TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate
    TensorStridedSliceUpdate Tile TopK TopKV2 Transpose Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2
    Unpack UnravelIndex UpperBound Where ZerosLike DepthToSpace SpaceToDepth Empty
    """
)
"""Shapes, slices, constants, placeholders."""

NEURAL_NETWORKS = _names(
    """
    ApproxTopK AvgPool AvgPool3D BatchNormWithGlobalNormalization BiasAdd BiasAddV1 BlockLSTM BlockLSTMV2 Conv
    Conv2D Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D Conv3DBackpropInput Conv3DBackpropInputV2
    CTCBeamSearchDecoder CTCGreedyDecoder DataFormatDimMap DataFormatVecPermute DepthwiseConv2dNative
    DepthwiseConv2dNativeBackpropInput Dilation2D Elu FractionalAvgPool FractionalMaxPool FusedBatchNorm
    FusedBatchNormV2 FusedBatchNormV3 FusedPadConv2D FusedResizeAndPadConv2D GRUBlockCell LRN LSTMBlockCell
    LeakyRelu LogSoftmax MaxPool MaxPool3D MaxPoolV2 MaxPoolWithArgmax Relu Relu6 Selu Softmax
    SoftmaxCrossEntropyWithLogits Softplus Softsign SparseSoftmaxCrossEntropyWithLogits ExtractImagePatches
    ExtractVolumePatches
    """
)

QUANTIZED = _names(
    """
    Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
    QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
    QuantizeDownAndShrinkRange QuantizeV2 QuantizedAdd QuantizedAvgPool
    QuantizedBatchNormWithGlobalNormalization QuantizedBiasAdd QuantizedConcat QuantizedConv2D
    QuantizedInstanceNorm QuantizedMatMul QuantizedMaxPool QuantizedMul QuantizedRelu QuantizedRelu6
    QuantizedReluX QuantizedReshape QuantizedResizeBilinear Requantize RequantizePerChannel RequantizationRange
    RequantizationRangePerChannel UniformDequantize UniformQuantize UniformQuantizedAdd
    UniformQuantizedClipByValue UniformQuantizedConvolution UniformQuantizedConvolutionHybrid
    UniformQuantizedDot UniformQuantizedDotHybrid UniformRequantize
    """
)

IMAGES_AND_TEXT = _names(
    """
    AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation AsString CombinedNonMaxSuppression CropAndResize
    DecodeAndCropJpeg DecodeBase64 DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng DecodeRaw DecodeWebP
    DecodePaddedRaw DrawBoundingBoxes DrawBoundingBoxesV2 EncodeBase64 EncodeJpeg EncodePng ExtractGlimpse
    ExtractGlimpseV2 ExtractJpegShape GenerateBoundingBoxProposals HSVToRGB ImageProjectiveTransformV2
    ImageProjectiveTransformV3 NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4
    NonMaxSuppressionV5 NonMaxSuppressionWithOverlaps ParseExample ParseExampleV2 ParseSingleExample ParseTensor
    RGBToHSV ReduceJoin RegexFullMatch RegexReplace ResizeArea ResizeBicubic ResizeBilinear
    ResizeNearestNeighbor SampleDistortedBoundingBox SampleDistortedBoundingBoxV2 ScaleAndTranslate
    StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin StringLength StringLower StringSplit
    StringSplitV2 StringStrip StringToHashBucket StringToHashBucketFast StringToHashBucketStrong StringToNumber
    StringUpper Substr UnicodeDecode UnicodeEncode UnicodeTranscode
    """
)
"""Decoding and encoding in memory; nothing of it reads a file."""

RANDOM = _names(
    """
    Multinomial ParameterizedTruncatedNormal RandomGamma RandomPoisson RandomPoissonV2 RandomShuffle
    RandomStandardNormal RandomUniform RandomUniformInt StatelessMultinomial StatelessRandomGetAlg
    StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal StatelessRandomNormalV2
    StatelessRandomUniform StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2
    StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformV2
    StatelessSampleDistortedBoundingBox StatelessShuffle StatelessTruncatedNormal StatelessTruncatedNormalV2
    TruncatedNormal
    """
)

VARIABLES = _names(
    """
    Assign AssignAdd AssignAddVariableOp AssignSub AssignSubVariableOp AssignVariableOp DestroyResourceOp
    DestroyTemporaryVariable DisableCopyOnRead IsVariableInitialized ReadVariableOp RefIdentity ResourceGather
    ResourceGatherNd ScatterAdd ScatterNdAdd ScatterNdSub ScatterNdUpdate ScatterSub ScatterUpdate
    TemporaryVariable VarHandleOp VarIsInitializedOp Variable VariableShape VariableV2
    """
)

CONTROL_FLOW = _names(
    """
    Assert Case ControlTrigger Enter Exit FakeParam For If LoopCond Merge NextIteration PartitionedCall RefEnter
    RefExit RefMerge RefNextIteration RefSelect RefSwitch StatefulPartitionedCall StatelessCase StatelessIf
    StatelessWhile Switch SymbolicGradient While
    """
)
"""The functions that these call are looked into, like every function that a node names."""

IN_MEMORY = _names(
    """
    EmptyTensorList HashTable HashTableV2 InitializeTable InitializeTableV2 LookupTableFind LookupTableFindV2
    LookupTableSize LookupTableSizeV2 MutableHashTable MutableHashTableV2 LookupTableImport LookupTableImportV2
    Stack StackClose StackCloseV2 StackPop StackPopV2 StackPush StackPushV2 StackV2 TensorArray TensorArrayClose
    TensorArrayCloseV2 TensorArrayCloseV3 TensorArrayConcat TensorArrayConcatV2 TensorArrayConcatV3
    TensorArrayGather TensorArrayGatherV2 TensorArrayGatherV3 TensorArrayPack TensorArrayRead TensorArrayReadV2
    TensorArrayReadV3 TensorArrayScatter TensorArrayScatterV2 TensorArrayScatterV3 TensorArraySize
    TensorArraySizeV2 TensorArraySizeV3 TensorArraySplit TensorArraySplitV2 TensorArraySplitV3 TensorArrayUnpack
    TensorArrayV2 TensorArrayV3 TensorArrayWrite TensorArrayWriteV2 TensorArrayWriteV3 TensorListConcat
    TensorListConcatLists TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather
    TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack TensorListPushBackBatch
    TensorListReserve TensorListResize TensorListScatter TensorListScatterIntoExistingList TensorListScatterV2
    TensorListSetItem TensorListSplit TensorListStack
    """
)
"""Tables, stacks and lists of tensors. ``InitializeTableFromTextFile`` is not among them: it reads a file."""

COMPUTING = frozenset().union(
    ARITHMETIC, LINEAR_ALGEBRA, ARRAYS, NEURAL_NETWORKS, QUANTIZED, IMAGES_AND_TEXT, RANDOM, VARIABLES, CONTROL_FLOW,
    IN_MEMORY,
)  # fmt: skip
"""All of the above: what a graph may use anywhere."""

READING: Mapping[str, int] = MappingProxyType(
    {
        "RestoreV2": 0,
        "Restore": 0,
        "RestoreSlice": 0,
        "InitializeTableFromTextFile": 1,
        "InitializeTableFromTextFileV2": 1,
    }
)
"""Operations that read a file, and which of their inputs is its name. A saver may read the checkpoint that is fed to
it, and an initializer the assets that are fed to it."""

FILE_NAMES = frozenset({"ShardedFilename", "ShardedFilespec"})
"""Text about files, which touches none; savers compute it."""

WHY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "touches files": _names(
            """
            Save SaveV2 SaveSlices MergeV2Checkpoints WriteFile ReadFile MatchingFiles ImmutableConst
            PrintV2  GenerateVocabRemapping
            LoadAndRemapMatrix DecodeProtoV2 EncodeProto FixedLengthRecordReader
            FixedLengthRecordReaderV2 TFRecordReader TFRecordReaderV2 TextLineReader TextLineReaderV2
            WholeFileReader WholeFileReaderV2 TFRecordDataset TextLineDataset FixedLengthRecordDataset
            SnapshotDataset SnapshotDatasetV2 SaveDataset SaveDatasetV2 LoadDataset CacheDataset
            CacheDatasetV2 ListFiles RecordInput CreateSummaryFileWriter CreateSummaryDbWriter
            WriteSummary WriteScalarSummary DebugIdentity DebugIdentityV2 DebugIdentityV3
            DistributedSave AudioMicrofrontend
            """
        ),
        "runs Python": _names(
            """
            PyFunc PyFuncStateless EagerPyFunc
            """
        ),
        "connects to other machines": _names(
            """
            RemoteCall RpcCall RpcClient RpcServer RpcServerStart Send Recv _Send _Recv _HostSend
            _HostRecv DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4
            RegisterDataset BigtableDataset CollectiveReduce CollectiveGather CollectiveBcastSend
            """
        ),
        "ends the process": _names(
            """
            Abort
            """
        ),
        "runs on another device": _names(
            """
            TPUReplicate TPUCompile TPUExecute TPUPartitionedCall XlaLaunch
            """
        ),
        "reads another file than the model's own": frozenset(READING),
    }
)
"""What some refused operations do, for messages."""


def reason(operation: str) -> str:
    """Why ``operation`` is refused, in a few words."""
    known = next((why for why, names in WHY.items() if operation in names), None)
    return known or "is not among the operations that a model may use"
